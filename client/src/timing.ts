/** How long a knock may take. Apart from what takes it, since the TUI counts them down before it knocks. */

/** The last packet's reply has had time to come from anywhere. */
export const GIVE_UP_MS = 8_000
/** A person with a phone at hand has said yes by then, or will not. */
export const PATIENCE_MS = 120_000
