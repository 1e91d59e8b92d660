/** How long a knock may take. Apart from what takes it, since the TUI counts them down before it knocks. */

/** The last packet's reply has had time to come from anywhere. */
export const GIVE_UP_MS = 8_000
/** Where there is another way: six packets of each family have been lost by then, or are not let out. */
export const FALL_BACK_MS = 3_000
/** A person with a phone at hand has said yes by then, or will not. */
export const PATIENCE_MS = 120_000
