/** The time of day. */
export type Clock = () => Date;

/** The wall clock: the one place of this package that reads it. */
export const systemClock: Clock = () => new Date();
