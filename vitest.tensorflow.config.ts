import { defineConfig } from "vitest/config"

/** The tests of the tensorflow engine, for machines where it is installed: `npm run test:tensorflow`. */
export default defineConfig({
  test: {
    setupFiles: ["test/setup.ts"],
    include: ["test/tensorflow/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    // Each process loads libtensorflow, which computes with all cores.
    maxWorkers: 1
  }
})
