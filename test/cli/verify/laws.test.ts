import { readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import type { Outcome } from "../support/cli.ts"
import { cli, start, startCli, temporaryFolder } from "../support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

/** The modules beside this test, which find the packages as a project of the user's would. */
const module = (name: string): string => resolve(import.meta.dirname, "modules", name)

/** The command failed with one or two lines of text that match, and without a stack trace. */
const assertRefused = ({ code, stderr }: Outcome, message: RegExp): void => {
  assert.strictEqual(code, 1)
  assert.match(stderr, message)
  assert.isAtMost(stderr.split("\n").length, 2, stderr)
  assert.notMatch(stderr, /^ +at /m)
  assert.notInclude(stderr, "defect")
}

/** Why modules cannot be verified, by Node's own loader: those of this process are loaded by the test runner. */
const messagesOf = async (paths: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const userModule = new URL("../../../packages/cli/src/verify/userModule.ts", import.meta.url).href
  const code = `
    import { NodeServices } from "@effect/platform-node"
    import { Effect } from "effect"
    import { suitesOfModule } from "${userModule}"
    const messageOf = (path) => Effect.map(Effect.flip(suitesOfModule(path)), ({ message }) => message)
    const messages = await Effect.forEach(${JSON.stringify(paths)}, messageOf).pipe(
      Effect.provide(NodeServices.layer),
      Effect.runPromise
    )
    process.stdout.write(JSON.stringify(messages))
  `
  const { stderr, stdout } = await start(process.execPath, ["--input-type=module", "-e", code]).ended
  assert.match(stdout, /^\[/, stderr)
  return JSON.parse(stdout)
}

describe("effusion verify", () => {
  it("checks everything that Effusion brings along", async () => {
    const { code, stderr, stdout } = await cli("verify", "--runs", "1", "--seed", "8")
    assert.strictEqual(code, 0, stderr)
    for (const subject of ["schedules of every family", "noising", `the sampler "ddim"`, `the model "UNet"`]) {
      assert.include(stdout.split("\n"), subject)
    }
    assert.match(stdout, /^ {2}holds {3}schedule\/alpha-bar-falls +1 case$/m)
    assert.match(stdout, /\n\n\d{3} laws hold \(seed 8\)$/)
    assert.notInclude(stdout, "broken")
  })

  it("checks one schedule, by its name or as JSON, and one law of it", async () => {
    const named = await cli("verify", "--schedule", "cosine", "--law", "schedule")
    assert.strictEqual(named.code, 0, named.stderr)
    assert.match(named.stdout, /^the schedule "cosine"\n/)
    assert.match(named.stdout, /\d+ laws hold/)
    const json = await cli("verify", "--schedule", `{"name":"linear","steps":7}`, "--law", "schedule/snr-falls")
    assert.strictEqual(
      json.stdout,
      `the schedule "linear"\n  holds   schedule/snr-falls      1 case\n\n1 law holds (seed 1)`
    )
  })

  it("takes the JSON that a run's configuration has of its schedule", async () => {
    const law = ["--law", "schedule/json-round-trip", "--json"] as const
    for (
      const [schedule, label] of [
        [{ type: "cosine", steps: 1000 }, "cosine"],
        [{ type: "linear", steps: 200, referenceSteps: 1000, betaEnd: 0.01 }, "linear"],
        [{ type: "shifted-cosine", steps: 50, shift: 0.5, zeroTerminalSnr: true }, "shifted-cosine"]
      ] as const
    ) {
      const { code, stderr, stdout } = await cli("verify", "--schedule", JSON.stringify(schedule), ...law)
      assert.strictEqual(code, 0, stderr)
      assert.include(stdout, `the schedule \\"${label}\\"`)
    }
  })

  it("checks what a module exports, whatever form it has", async () => {
    const { code, stderr, stdout } = await cli("verify", "--module", module("right.ts"), "--runs", "5")
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(stdout.split("\n").filter((line) => /^(the|my) /.test(line)), [
      `the weighting "early"`,
      `the loss "huber"`,
      "my own suite",
      `the model "network"`,
      `the schedule "ofResult"`,
      `the schedule "plain"`,
      `the sampler "samplers[0]"`,
      `the sampler "samplers[1]"`
    ])
  })

  it("shows the shrunk counterexample, and the command that shows it again", async () => {
    const arguments_ = ["verify", "--module", module("wrong.ts"), "--subject", "families"]
    const first = await cli(...arguments_)
    assertRefused(first, /^effusion: \d+ of \d+ laws are broken$/)
    const { stdout } = first
    assert.match(stdout, /^ {2}broken {2}schedule\/alpha-bar-is-product +1 case$/m)
    assert.include(
      stdout,
      `schedule/alpha-bar-is-product is broken, for families\n  law      alphaBar_t is the product`
    )
    assert.match(stdout, /\n {2}but {6}at t = 1: alphaBar is 0\.\d+, but the product of 1 - beta is 0\.\d+ /)
    assert.match(stdout, /\n {2}where {4}slip {.*}, 2 timesteps/)
    const replay = /^ {2}replay {3}(?:npx )?effusion (verify .*--law schedule\/alpha-bar-is-product .*)$/m.exec(
      stdout
    )![1]!
    const again = await cli(...replay.split(" ").map((word) => word.replace(/^'(.*)'$/, "$1")))
    const counterexample = (text: string) => /alpha-bar-is-product is broken.*\n.*\n.*\n(.*\n.*)\n/.exec(text)![1]
    assert.strictEqual(counterexample(again.stdout), counterexample(stdout))
    // The path leads straight to the shrunk case: nothing was made simpler on the way.
    assert.match(again.stdout, /\n {2}found {4}in case 1\n/)
  })

  it("is deterministic", async () => {
    const run = () => cli("verify", "--law", "noising", "--runs", "20", "--json")
    assert.deepStrictEqual(await run(), await run())
  })

  it("prints JSON", async () => {
    const { code, stdout } = await cli("verify", "--module", module("wrong.ts"), "--subject", "families", "--json")
    assert.strictEqual(code, 1)
    const report = JSON.parse(stdout)
    assert.strictEqual(report.verdict, "broken")
    assert.deepStrictEqual([report.seed, report.runs], [1, 100])
    const law = report.suites[0].laws.find(({ name }: { readonly name: string }) =>
      name === "schedule/alpha-bar-is-product"
    )
    assert.strictEqual(law.verdict, "broken")
    assert.match(
      law.counterexample.replay,
      /effusion verify --module .*wrong.ts --subject families --law schedule\/alpha-bar-is-product /
    )
    assert.isString(law.sentence)
    assert.isString(law.source)
  })

  it("writes a JUnit report", async () => {
    const path = join(folder.path, "reports", "laws.xml")
    const outcome = await cli("verify", "--module", module("wrong.ts"), "--subject", "families", "--junit", path)
    assert.strictEqual(outcome.code, 1)
    const xml = readFileSync(path, "utf8")
    const cases = [...xml.matchAll(/<testcase classname="families" name="([^"]+)"/g)].map(([, name]) => name)
    const failures = [...xml.matchAll(/<failure message="[^"]+">[^<]+<\/failure>/g)]
    assert.include(cases, "schedule/alpha-bar-falls")
    assert.isNotEmpty(failures)
    assert.match(
      xml,
      new RegExp(
        `^<\\?xml .*\\n<testsuites name="effusion verify" tests="${cases.length}" failures="${failures.length}">`
      )
    )
    // Nothing of a counterexample is taken for markup.
    assert.notMatch(
      xml.replaceAll(/<\/?(testsuites?|testcase|failure)\b[^<>]*>|<\?xml[^<>]*\?>/g, ""),
      /[<>]|&(?!(amp|lt|gt|quot|#10);)/
    )
  })

  it("shows that the laws have teeth", async () => {
    const { code, stderr, stdout } = await cli("verify", "--faults", "--law", "schedule")
    assert.strictEqual(code, 0, stderr)
    assert.match(
      stdout,
      /^ {2}caught {2}schedule\/posterior-is-bayes +the posterior's factors of x_0 and x_t are exchanged$/m
    )
    assert.match(stdout, /\n\nall \d+ planted faults are caught$/)
    assert.notInclude(stdout, "MISSED")
  })

  it("works as a process, and ends with 1 when a law is broken", async () => {
    const { code, stderr } = await startCli([
      "verify",
      "--module",
      module("wrong.ts"),
      "--law",
      "schedule/alpha-bar-falls"
    ]).ended
    assert.strictEqual(code, 1)
    assert.strictEqual(stderr, "effusion: 1 of 2 laws is broken\n")
  })
})

describe("effusion verify refuses", () => {
  it("schedules, laws and subjects that there are not", async () => {
    assertRefused(
      await cli("verify", "--schedule", "cosin"),
      /there is no noise schedule "cosin" \(did you mean "cosine"\?\); choose from linear, /
    )
    assertRefused(await cli("verify", "--schedule", "{"), /no noise schedule "{": it is not JSON/)
    assertRefused(
      await cli("verify", "--schedule", `{ "type": "cosine", "stepz": 10, "steps": 10 }`),
      /^effusion: --schedule is not valid: schedule.stepz: unknown field; did you mean "steps"\?$/
    )
    assertRefused(
      await cli("verify", "--schedule", `{ "type": "linear", "steps": 10, "referenceSteps": 1000 }`),
      /^effusion: no noise schedule "linear": .*beta/
    )
    assertRefused(
      await cli("verify", "--schedule", "cosine", "--law", "schedule/snr-fall"),
      /^effusion: there is no law "schedule\/snr-fall"; did you mean "schedule\/snr-falls"\?$/
    )
    const { stderr } = await cli("verify", "--law", "nothing-like-it")
    assert.match(
      stderr,
      /^effusion: there is no law "nothing-like-it"; choose one of "schedule", .*"noising", .* more that /
    )
    assert.isBelow(stderr.length, 400)
    assertRefused(await cli("verify", "--schedule", "cosine", "--subject", "linear"), /there is no subject "linear"/)
  })

  it.each(
    [
      [["--goldens", "a.json", "--schedule", "cosine"], "--goldens and --schedule"],
      [["--goldens", "a.json", "--module", "a.ts"], "--goldens and --module"],
      [["--goldens", "a.json", "--law", "schedule"], "--goldens and --law"],
      [["--goldens", "a.json", "--runs", "100"], "--goldens and --runs"],
      [["--goldens", "a.json", "--seed", "1"], "--goldens and --seed"],
      [["--goldens", "a.json", "--junit", "a.xml"], "--goldens and --junit"],
      [["--goldens", "a.json", "--faults"], "--goldens and --faults"],
      [["--faults", "--schedule", "cosine"], "--faults and --schedule"],
      [["--faults", "--module", "a.ts"], "--faults and --module"],
      [["--faults", "--subject", "cosine"], "--faults and --subject"],
      [["--faults", "--junit", "a.xml"], "--faults and --junit"]
    ] as const
  )("%j, in which a flag would be without effect", async (flags, conflict) => {
    assertRefused(await cli("verify", ...flags), new RegExp(`^effusion: ${conflict} do not go together; `))
  })

  it("values that flags cannot have", async () => {
    assertRefused(
      await cli("verify", "--runs", "0"),
      /^effusion: --runs is 0; it is a whole number of at least 1$/
    )
    assertRefused(
      await cli("verify", "--seed", "5000000000"),
      /^effusion: --seed is 5000000000; it is a whole number of 32 bits$/
    )
    assertRefused(
      await cli("verify", "--path", "0"),
      /^effusion: --path is 0; it is of one law: give its name with --law as well$/
    )
    assertRefused(
      await cli("verify", "--law", "noising/linear", "--path", "x"),
      /^effusion: --path is x; it is numbers with /
    )
  })

  it("modules that cannot be verified, and says what is wrong with them", async () => {
    const write = (name: string, code: string): string => {
      const path = join(folder.path, name)
      writeFileSync(path, code)
      return path
    }
    const cases: ReadonlyArray<readonly [path: string, message: RegExp]> = [
      [join(folder.path, "nowhere.ts"), /^cannot verify the module ".*nowhere.ts": it does not exist; check the path$/],
      [write("empty.ts", "export {}"), /: it exports nothing; export schedules, samplers, /],
      [
        write("helpers.ts", "export const half = (x: number) => x / 2"),
        /: nothing of what it exports \(half\) is known to have laws; export schedules, /
      ],
      [
        write("half.ts", "export const mine = { steps: 2, alphaBar: [0.9, 0.8] }"),
        /: its export "mine" has "alphaBar", as schedules have, but its "beta" is no array of numbers; give it all /
      ],
      [
        write("throws.ts", "throw new Error('not today')"),
        /: it cannot be loaded \(not today\); see that it runs by itself/
      ],
      [write("syntax.ts", "export const = 1"), /: it cannot be loaded \(.+\); see that it runs by itself/],
      [write("enum.ts", "export enum Colour { red }"), /use only types that Node can strip/],
      [
        write("alone.ts", `import "@effusion/nothing"`),
        /@effusion\/nothing.*; install what it imports where the module is$/
      ],
      [write("text.md", "# Laws"), /it is no module that Node can run; give a file that ends in /]
    ]
    const messages = await messagesOf(cases.map(([path]) => path))
    for (const [i, [, message]] of cases.entries()) assert.match(messages[i]!, message)
    assertRefused(
      await cli("verify", "--module", module("failed.ts")),
      /: its export "mine" is a failure: no noise schedule "betas": .*; export what was made, not what failed$/
    )
  })
})
