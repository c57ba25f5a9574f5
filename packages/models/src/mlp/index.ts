/**
 * The multilayer perceptron: configuration, and the denoiser made of it.
 */
export { Config, decode } from "./Config.ts"
export { layer, make, parameterCount } from "./MLP.ts"
