/**
 * The U-Net: configuration, presets, and the denoiser made of them.
 */
export { Config, decode } from "./Config.ts"
export { cifar32, ddpm256, ddpmCifar10, small } from "./presets.ts"
export { renameDeprecated } from "./stateDict.ts"
export { layer, make, parameterCount } from "./UNet.ts"
