/**
 * Benchmarks: `npm run bench -- training-step|sampling|pipeline|memory|scaling|optimizations|compare [--config small|cifar32|ddpm]`.
 */
import { keepHeapSmall } from "../../packages/cli/src/internal/smallHeap.ts"

// What is measured runs as under the command `effusion`.
keepHeapSmall()
const { runMain } = await import("./runMain.ts")
runMain()
