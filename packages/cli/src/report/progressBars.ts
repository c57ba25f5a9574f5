/**
 * Progress bars at the bottom of a terminal, as all commands have them.
 */
import cliProgress, { type MultiBar } from "cli-progress"

/**
 * The library's mutable object, which draws bars of a text and of how much is done; whoever makes it stops it.
 *
 * @example
 * const bars = makeBars(process.stdout)
 * const bar = bars.create(100, 0, { text: "preparing" })
 */
export const makeBars = (stream: NodeJS.WritableStream): MultiBar =>
  new cliProgress.MultiBar(
    {
      format: "{bar} {percentage}% | {text}",
      stream,
      fps: 5,
      // With the text beside it, it fits a terminal of 80 columns.
      barsize: 20,
      // Cut the bar to the terminal's width, in place of switching the terminal's line wrapping off.
      linewrap: true,
      // A line above the bar overwrites it, so it must be drawn again even if it did not change.
      forceRedraw: true,
      // Signals are handled in main.ts: the first one ends a run in order.
      gracefulExit: false,
      emptyOnZero: true,
      autopadding: true
    },
    cliProgress.Presets.shades_classic
  )
