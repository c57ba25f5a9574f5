/**
 * The networks that are timed, from a small one for digits to the one of DDPM for CIFAR-10.
 */
import { UNet } from "@effusion/models"

export const configurations = {
  /** 28x28x1, 1,112,801 parameters. */
  small: { config: UNet.small, batch: 32 },
  /** 32x32x3, 6,472,195 parameters. */
  cifar32: { config: UNet.cifar32, batch: 16 },
  /** 32x32x3, 35,746,307 parameters; without dropout, as the other two. */
  ddpm: { config: UNet.Config.make({ ...UNet.ddpmCifar10, dropout: 0 }), batch: 8 }
} as const

export type ConfigurationName = keyof typeof configurations

export const configurationNames = Object.keys(configurations) as ReadonlyArray<ConfigurationName> as readonly [
  ConfigurationName,
  ...Array<ConfigurationName>
]
