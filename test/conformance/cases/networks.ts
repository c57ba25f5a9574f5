/**
 * Cases of what networks are built of besides convolutions and products.
 */
import type { Case } from "../Case.ts"
import { windowArguments } from "./networks/arguments.ts"
import { layers } from "./networks/layers.ts"
import { places } from "./networks/places.ts"
import { windows } from "./networks/windows.ts"

export const networks: ReadonlyArray<Case> = [...windows, ...windowArguments, ...places, ...layers]
