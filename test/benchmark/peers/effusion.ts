/**
 * The benchmark's work on one of our own engines, as a peer (see `peer.py` for how peers are spoken to).
 * Its variant is JSON: `{ "engine": "onnx" }`.
 */
import { keepHeapSmall } from "../../../packages/cli/src/internal/smallHeap.ts"

// What is compared runs as under the command `effusion`.
keepHeapSmall()
const { runMain } = await import("./ownPeer.ts")
runMain()
