#!/usr/bin/env node
/**
 * The `effusion` command. It begins with the oldest syntax that it can, to tell an old Node what is wrong.
 */
import { unsupportedNode } from "./internal/nodeVersion.ts"
import { keepHeapSmall } from "./internal/smallHeap.ts"

const problem = unsupportedNode(process.versions.node)
if (problem === undefined) {
  keepHeapSmall()
  const { runMain } = await import("./runMain.ts")
  runMain()
} else {
  process.stderr.write(`effusion: ${problem}\n`)
  process.exitCode = 1
}
