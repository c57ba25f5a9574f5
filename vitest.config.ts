import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    setupFiles: ["test/setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          include: ["test/**/*.test.ts"],
          exclude: ["test/end-to-end/**", "test/tensorflow/**"],
          sequence: { groupOrder: 0 }
        }
      },
      {
        // Trains for minutes on all cores: by itself, after the rest.
        extends: true,
        test: {
          name: "end to end",
          include: ["test/end-to-end/**/*.test.ts"],
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
