/** What libtensorflow says on being loaded, before it reads how much it is to say, and nothing keeps it from saying. */
const chatter = /^WARNING: All log messages before absl::InitializeLog|^I0000 .* oneDNN custom operations are on\./

/** The lines of standard error that are the program's own. */
export const said = (stderr: string): ReadonlyArray<string> =>
  stderr.split("\n").filter((line) => line !== "" && !chatter.test(line))
