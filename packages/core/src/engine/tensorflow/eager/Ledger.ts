/**
 * Who holds which of the addon's tensors.
 *
 * tfjs deletes a tensor when it has no more use for it, and loses some: what a gradient has saved when its function throws,
 * what a program keeps. So the engine does not leave its memory to tfjs. What it needs from one step to the next it holds
 * here, where tfjs's deletions do not count; whatever else a step makes is deleted when the step ends.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import { type Binding, float64, type TensorHandle } from "../Binding.ts"

/** A tensor of the addon. */
interface Entry {
  readonly bytes: number
  holds: number
}

/** The tensors of an addon, from the moment the ledger is opened. */
export class Ledger {
  /** The addon, with every tensor that is made and deleted through it written down. */
  readonly binding: Binding
  private readonly addon: Binding
  private readonly entries = new Map<number, Entry>()
  /** Numbers from here on are of tensors that were made through the ledger. */
  private readonly first: number
  /** What the present step has made. */
  private made: Set<number> | undefined
  /** How many tensors there are that were made before the ledger was opened. */
  private others: number

  constructor(addon: Binding) {
    this.addon = addon
    this.others = addon.getNumOfTensors()
    this.first = addon.createTensor([], addon.TF_INT32, new Int32Array(1))
    addon.deleteTensor(this.first)
    this.binding = Object.create(addon, {
      createTensor: {
        value: ((shape, dtype, values) => {
          const create = () => [{ id: addon.createTensor(shape, dtype, values), shape, dtype }]
          return this.enterAll(create)[0]!.id
        }) satisfies Binding["createTensor"]
      },
      executeOp: {
        value: ((operation, attributes, inputs, outputs) => {
          return this.enterAll(() => addon.executeOp(operation, attributes, inputs, outputs))
        }) satisfies Binding["executeOp"]
      },
      runSavedModel: {
        value: ((model, inputs, feeds, fetches) => {
          return this.enterAll(() => addon.runSavedModel(model, inputs, feeds, fetches))
        }) satisfies Binding["runSavedModel"]
      },
      deleteTensor: { value: (id: number) => this.forgo(id) }
    }) as Binding
  }

  /** Keeps a tensor until it is released as often as it is held. */
  hold(id: number): void {
    this.entries.get(id)!.holds++
  }

  /** Gives up a hold; the last one deletes the tensor. */
  release(id: number): void {
    const entry = this.entries.get(id)!
    entry.holds--
    if (entry.holds === 0) this.delete(id)
  }

  /** The bytes of a tensor's elements. */
  bytesOf(id: number): number {
    return this.entries.get(id)!.bytes
  }

  /** Runs a function, and deletes what it has made and nobody holds, also when it throws. */
  during<A>(f: () => A): A {
    const made = new Set<number>()
    this.made = made
    try {
      return f()
    } finally {
      this.made = undefined
      for (const id of made) if (this.entries.get(id)?.holds === 0) this.delete(id)
    }
  }

  /** How many tensors there are, and how many bytes they take. */
  total(): { readonly tensors: number; readonly bytes: number } {
    let bytes = 0
    for (const entry of this.entries.values()) bytes += entry.bytes
    return { tensors: this.entries.size, bytes }
  }

  /** How many tensors the addon has, by its own count, beyond those that are written down here. */
  unaccounted(): number {
    return this.addon.getNumOfTensors() - this.others - this.entries.size
  }

  /** Writes down what a call makes. */
  private enterAll(make: () => ReadonlyArray<TensorHandle>): ReadonlyArray<TensorHandle> {
    let made = make()
    // The addon's numbers come round after 2^32 tensors, and one that is in use stands for the tensor that has it: what
    // was made for it is lost. It is made once more, for the next number.
    while (made.some(({ id }) => this.entries.has(unsigned(id)))) {
      for (const { id } of made) if (!this.entries.has(unsigned(id))) this.addon.deleteTensor(id)
      made = make()
    }
    return made.map(({ dtype, id, shape }) => {
      const handle = { id: unsigned(id), shape, dtype }
      this.entries.set(handle.id, { bytes: sizeOf(shape) * elementBytes(this.addon, dtype), holds: 0 })
      this.made?.add(handle.id)
      return handle
    })
  }

  /** What tfjs has no more use for. */
  private forgo(id: number): void {
    const entry = this.entries.get(id)
    if (entry?.holds === 0) this.delete(id)
    else if (entry === undefined && id < this.first) {
      this.addon.deleteTensor(id)
      this.others--
    }
  }

  private delete(id: number): void {
    this.entries.delete(id)
    this.made?.delete(id)
    this.addon.deleteTensor(id)
  }
}

/**
 * The addon counts its tensors in 32 bits with a sign, and tfjs takes negative numbers for "not on the device": they come
 * with the 2^31st tensor, after some hundred thousand steps. It takes numbers with the same bits without a sign.
 */
const unsigned = (id: number): number => id >>> 0

/** The bytes of an element; those of strings and of resources are not known. */
const elementBytes = ({ TF_BOOL, TF_FLOAT, TF_INT32, TF_INT64 }: Binding, dtype: number): number =>
  dtype === TF_FLOAT || dtype === TF_INT32 ? 4 : dtype === TF_INT64 || dtype === float64 ? 8 : dtype === TF_BOOL ? 1 : 0
