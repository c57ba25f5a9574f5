/**
 * A module of a user's whose schedule could not be made.
 */
import { fromBetas } from "@effusion/core/schedule"

export const mine = fromBetas([0.1, 2])
