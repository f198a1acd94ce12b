import { KeyRing, type RotationPolicy } from './key-ring.js';

const EVERY_MINUTE: RotationPolicy = {
  rotateSeconds: 60,
  tokenTtlSeconds: 90,
  publishLateSeconds: 0,
};

describe('KeyRing', () => {
  let now: Date;
  const pass = (seconds: number) => {
    now = new Date(now.getTime() + seconds * 1000);
  };
  const start = (policy: Partial<RotationPolicy> = {}) =>
    KeyRing.start({ ...EVERY_MINUTE, ...policy }, () => now);
  const publishedKids = async (ring: KeyRing) => (await ring.published()).map(({ kid }) => kid);

  beforeEach(() => {
    now = new Date('2026-11-23T12:00:00Z');
  });

  it('has at the start a key that signs, one from before and one that is announced', async () => {
    const ring = await start();
    const { kid } = await ring.signing();
    expect(await publishedKids(ring)).toEqual([
      (await ring.previous()).kid,
      kid,
      expect.any(String),
    ]);
    expect(await publishedKids(ring)).not.toContain((await ring.unpublished()).kid);
  });

  it('lets a key sign that was announced for a whole turn, when the turn ends and not before', async () => {
    const ring = await start();
    const announced = (await publishedKids(ring)).at(-1);
    pass(59.999);
    expect((await ring.signing()).kid).not.toBe(announced);
    expect(ring.secondsToChange()).toBe(0);
    pass(0.001);
    expect((await ring.signing()).kid).toBe(announced);
    expect(ring.secondsToChange()).toBe(60);
  });

  it('keeps a key published while a token that it signed is alive', async () => {
    const ring = await start();
    const { kid } = await ring.signing();
    pass(60 + 90);
    expect(await publishedKids(ring)).toContain(kid);
    pass(30);
    expect(await publishedKids(ring)).not.toContain(kid);
  });

  it('catches up with one switch after a long sleep', async () => {
    const ring = await start();
    pass(3 * 86_400 + 61);
    expect(await publishedKids(ring)).toHaveLength(4);
    expect(ring.secondsToChange()).toBe(59);
  });

  it('turns only when told to, when there is no interval', async () => {
    const ring = await start({ rotateSeconds: 0 });
    const before = await publishedKids(ring);
    pass(86_400);
    expect(await publishedKids(ring)).toEqual(before);
    ring.rotate();
    expect((await ring.signing()).kid).toBe(before[2]);
    expect((await publishedKids(ring)).slice(0, 2)).toEqual(before.slice(1));
    expect(ring.secondsToChange()).toBeNull();
  });

  it('publishes a key only after it has signed for a while, when asked for that mistake', async () => {
    const ring = await start({ publishLateSeconds: 20 });
    const { kid } = await ring.signing();
    pass(19);
    expect(await publishedKids(ring)).not.toContain(kid);
    pass(1);
    expect((await publishedKids(ring)).at(-1)).toBe(kid);
  });

  it('goes on with the keys of an earlier run', async () => {
    const earlier = await start();
    pass(200);
    const known = await publishedKids(earlier);
    const ring = await KeyRing.start(EVERY_MINUTE, () => now, await earlier.kept());
    expect(await publishedKids(ring)).toEqual(known);
    expect((await ring.signing()).kid).toBe((await earlier.signing()).kid);
    expect((await ring.unpublished()).kid).toBe((await earlier.unpublished()).kid);
  });
});
