/** Tells the time. An option wherever time matters, so that a test can hold it still. */
export type Now = () => Date;

export const wallClock: Now = () => new Date();
