import { Record } from "effect"
import type { HostOf, SpecsOf, Tensors } from "../../engine/Program.ts"

/** The shapes and dtypes of a record of host tensors. */
export const specsOf = <In extends Tensors>(batch: HostOf<In>): SpecsOf<In> =>
  Record.map(batch as HostOf<Tensors>, ({ dtype, shape }) => ({ dtype, shape })) as SpecsOf<In>
