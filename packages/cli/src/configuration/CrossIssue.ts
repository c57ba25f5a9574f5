/** What is wrong with a configuration where no single field shows it, and the field to say it of. */
export interface CrossIssue {
  readonly path: ReadonlyArray<string>
  readonly issue: string
}
