/**
 * Random noise schedules for properties: those that the laws are stated of.
 */
import { Laws } from "@effusion/core/laws"

export const { anyBetas: betas, anyContinuousSchedule, anyDerivedSchedule, anySchedule, zeroTerminalSchedule } = Laws
