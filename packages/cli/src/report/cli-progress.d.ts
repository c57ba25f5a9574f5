/** The part of `cli-progress` that is used here; the package itself has no types. */
declare module "cli-progress" {
  export interface BarOptions {
    readonly format: string
    readonly stream: NodeJS.WritableStream
    readonly fps?: number
    readonly barsize?: number
    readonly linewrap?: boolean
    readonly forceRedraw?: boolean
    readonly gracefulExit?: boolean
    readonly emptyOnZero?: boolean
    readonly autopadding?: boolean
  }

  export interface Preset {
    readonly barCompleteChar: string
    readonly barIncompleteChar: string
  }

  export interface Bar {
    setTotal(total: number): void
    update(value: number, payload: { readonly [name: string]: string }): void
  }

  export class MultiBar {
    constructor(options: BarOptions, preset: Preset)
    create(total: number, start: number, payload: { readonly [name: string]: string }): Bar
    log(text: string): void
    update(): void
    stop(): void
  }

  const _default: {
    readonly MultiBar: typeof MultiBar
    readonly Presets: { readonly shades_classic: Preset }
  }
  export default _default
}
