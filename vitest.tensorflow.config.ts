import { defineConfig } from "vitest/config"

/** The tests of the tensorflow engine, for machines where it is installed: `npm run test:tensorflow`. */
export default defineConfig({
  test: {
    globalSetup: ["test/tensorflow/support/required.ts"],
    setupFiles: ["test/setup.ts"],
    include: ["test/tensorflow/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    // TensorFlow computes with all cores, but most of the time goes to what has one thread: the reference, XLA's compiler.
    maxWorkers: 2
  }
})
