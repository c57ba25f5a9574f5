export const runDoctor = (_: { json: boolean }) => null as any
