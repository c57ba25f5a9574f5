/** The engine's worker where ONNX Runtime can be used by its public interface alone. */
import { makeMachine } from "../../../../../packages/core/src/engine/onnx/internal/machine.ts"
import { loadCopyingSessions } from "../../../../../packages/core/src/engine/onnx/internal/session.ts"
import { work } from "../../../../../packages/core/src/engine/worker/serve.ts"

work(async () => makeMachine(loadCopyingSessions()))
