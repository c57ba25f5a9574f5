/**
 * The float64 reference that engines are held to.
 */
export * from "./composites.ts"
export * from "./differences.ts"
export * from "./elementwise.ts"
export * from "./linear.ts"
export * from "./movement.ts"
export * from "./NdArray.ts"
export * from "./reductions.ts"
