/**
 * Denoisers for Effusion: networks that predict the noise (or another target) in noised data.
 */
export * as Initializers from "./initializers.ts"
export { InvalidConfig } from "./InvalidConfig.ts"
export * as MLP from "./mlp/index.ts"
export * as UNet from "./unet/index.ts"
