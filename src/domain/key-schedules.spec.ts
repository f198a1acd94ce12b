import fc from 'fast-check';
import {
  dueStep,
  type KeyPolicy,
  type LifecycleKey,
  planKeyRotation,
} from './plan-key-rotation.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
const START = new Date('2026-03-01T00:00:00Z');

/** A day in the life of an issuer: it looks at its plan, or issues a token. */
interface Event {
  readonly afterSeconds: number;
  readonly ttlSeconds: number;
  readonly fetches: boolean;
}

interface Token {
  readonly kid: string;
  readonly expiresAt: number;
}

/** Carries the plan out as the service does, and notes what it signed and what validators saw. */
class Issuer {
  keys: LifecycleKey[] = [];
  readonly tokens: Token[] = [];
  readonly fetches: { readonly until: number; readonly kids: ReadonlySet<string> }[] = [];
  private made = 0;

  constructor(private readonly policy: KeyPolicy) {}

  work(now: Date): void {
    for (let turns = 0; turns < 10; turns += 1) {
      const step = dueStep(planKeyRotation(this.keys, this.policy, now), now);
      if (!step) return;
      if (step.step === 'publish_first') this.publish(now, 'current');
      if (step.step === 'unpublish') this.change(step.kid, { unpublishedAt: now });
      if (step.step === 'switch') {
        if (step.from !== null) this.change(step.from, { phase: 'retired', retiredAt: now });
        this.change(step.to, { phase: 'current', signsFrom: now });
      }
      if (step.step !== 'unpublish') this.publish(now, 'next');
    }
    throw new Error('the plan never comes to rest');
  }

  issue(now: Date, ttlSeconds: number): Token {
    const signing = this.keys.find(({ phase }) => phase === 'current');
    if (!signing) throw new Error('no key signs');
    const expiresAt = now.getTime() + ttlSeconds * 1000;
    const before = signing.tokensExpireBy?.getTime() ?? 0;
    this.change(signing.kid, { tokensExpireBy: new Date(Math.max(before, expiresAt)) });
    const token = { kid: signing.kid, expiresAt };
    this.tokens.push(token);
    return token;
  }

  fetch(now: Date): void {
    const published = this.keys.filter(({ unpublishedAt }) => unpublishedAt === null);
    const until = now.getTime() + this.policy.jwksCacheSeconds * 1000;
    this.fetches.push({ until, kids: new Set(published.map(({ kid }) => kid)) });
  }

  private publish(now: Date, phase: 'next' | 'current'): void {
    this.made += 1;
    const signsFrom = phase === 'current' ? now : null;
    this.keys.push({
      kid: `key ${this.made}`,
      phase,
      publishedAt: now,
      signsFrom,
      retiredAt: null,
      tokensExpireBy: null,
      revokedAt: null,
      unpublishedAt: null,
    });
  }

  private change(kid: string, change: Partial<LifecycleKey>): void {
    this.keys = this.keys.map((one) => (one.kid === kid ? { ...one, ...change } : one));
  }
}

describe('any schedule', () => {
  const policies = fc.record({
    rotationSeconds: fc.integer({ min: HOUR, max: 100 * DAY }),
    jwksCacheSeconds: fc.integer({ min: 1, max: 7 * DAY }),
  });
  const events = fc.array(
    fc.record({
      afterSeconds: fc.integer({ min: 0, max: 20 * DAY }),
      ttlSeconds: fc.integer({ min: HOUR, max: 7 * DAY }),
      fetches: fc.boolean(),
    }),
    { minLength: 1, maxLength: 60 },
  );

  it('lets no token outlive the publication of its key (Vault 11441)', () => {
    fc.assert(
      fc.property(policies, events, (policy, life) => {
        const issuer = live(policy, life);
        for (const { kid, expiresAt } of issuer.tokens) {
          const unpublishedAt = issuer.keys.find((one) => one.kid === kid)?.unpublishedAt;
          if (unpublishedAt) expect(unpublishedAt.getTime()).toBeGreaterThanOrEqual(expiresAt);
        }
      }),
    );
  });

  it('shows every validator the key of a token before it meets one, and until it has expired', () => {
    fc.assert(
      fc.property(policies, events, (policy, life) => {
        live(policy, life, (issuer, token, now) => {
          const fresh = issuer.fetches.filter(({ until }) => until > now.getTime());
          for (const { kids } of fresh) expect(kids).toContain(token.kid);
        });
      }),
    );
  });

  it('keeps one current and one next key, and unpublishes old keys', () => {
    fc.assert(
      fc.property(policies, events, (policy, life) => {
        const phases = live(policy, life).keys.map(({ phase }) => phase);
        expect(phases.filter((phase) => phase === 'current')).toHaveLength(1);
        expect(phases.filter((phase) => phase === 'next')).toHaveLength(1);
      }),
    );
  });

  function live(
    policy: KeyPolicy,
    life: readonly Event[],
    onIssue?: (issuer: Issuer, token: Token, now: Date) => void,
  ): Issuer {
    const issuer = new Issuer(policy);
    let now = START;
    for (const { afterSeconds, ttlSeconds, fetches } of life) {
      now = new Date(now.getTime() + afterSeconds * 1000);
      issuer.work(now);
      if (fetches) issuer.fetch(now);
      onIssue?.(issuer, issuer.issue(now, ttlSeconds), now);
    }
    return issuer;
  }
});
