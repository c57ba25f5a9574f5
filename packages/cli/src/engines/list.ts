export const listEngines = (_: { json: boolean }) => null as any
