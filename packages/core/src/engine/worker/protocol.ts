/**
 * What an engine and its worker thread say to each other.
 *
 * The engine sends numbered requests; the worker answers each, in the order they came. Array buffers are transferred,
 * never cloned: the side that posts them has no use for them afterwards.
 */
import type { EngineMemory } from "../Engine.ts"

/** The elements of a tensor. */
export type Elements = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>

/** The elements of several tensors by name. */
export type Arrays = { readonly [name: string]: Elements }

/** The requests: what each carries, and what it is answered with. `Source` is what the engine compiles. */
export interface Protocol<Source> {
  /** Makes a program of a source. */
  readonly compile: {
    readonly request: { readonly program: number; readonly source: Source }
    readonly response: void
  }
  /** Makes a program that is the same as one that was compiled, is there, and will be there until both are released. */
  readonly share: {
    readonly request: { readonly program: number; readonly of: number }
    readonly response: void
  }
  /** Takes a state into the worker. */
  readonly start: {
    readonly request: { readonly instance: number; readonly program: number; readonly state: Arrays }
    readonly response: void
  }
  /** Runs a program once, replacing the state of an instance. */
  readonly step: {
    readonly request: { readonly instance: number; readonly input: Arrays }
    readonly response: Arrays
  }
  /** Copies the state of an instance out. */
  readonly read: { readonly request: { readonly instance: number }; readonly response: Arrays }
  /** Replaces the state of an instance. */
  readonly write: {
    readonly request: { readonly instance: number; readonly state: Arrays }
    readonly response: void
  }
  readonly releaseProgram: { readonly request: { readonly program: number }; readonly response: void }
  readonly releaseInstance: { readonly request: { readonly instance: number }; readonly response: void }
  readonly memory: { readonly request: {}; readonly response: EngineMemory }
  /** Releases everything. */
  readonly close: { readonly request: {}; readonly response: void }
}

export type RequestType = keyof Protocol<unknown>

/** A request on its way to the worker. */
export type Request<Source> = {
  readonly [T in RequestType]: { readonly id: number; readonly type: T; readonly body: Protocol<Source>[T]["request"] }
}[RequestType]

/** An answer on its way back: a value, or why there is none. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: Protocol<unknown>[RequestType]["response"] }
  | { readonly id: number; readonly ok: false; readonly reason: string }

/** What a worker knows of its runtime from the start on: its version, say. */
export type Facts = { readonly [name: string]: string | number | boolean }

/** What the worker says first: it works, or why it cannot. */
export type Greeting =
  | { readonly ready: true; readonly facts?: Facts | undefined }
  | { readonly ready: false; readonly reason: string }

/** The buffers of arrays, for a transfer list. */
export const buffersOf = (arrays: Arrays): Array<ArrayBuffer> => Object.values(arrays).map((array) => array.buffer)

/** The message of whatever was thrown, in one line. */
export const messageOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s+/g, " ")
