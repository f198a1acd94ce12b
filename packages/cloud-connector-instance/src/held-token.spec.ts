import fc from 'fast-check';
import { UnsecuredJWT } from 'jose';
import {
  type HeldToken,
  isUsable,
  needsRefresh,
  newestUsable,
  readToken,
  withToken,
} from './held-token.js';

const INSTANCE = 'e2f5d0a4-1b7c-4c3e-9a60-0a1b2c3d4e5f';
const DAY = 86_400;
const NOON = Date.parse('2026-03-10T12:00:00Z') / 1000;

function at(secondsAfterNoon: number): Date {
  return new Date((NOON + secondsAfterNoon) * 1000);
}

/** A token of three days, issued and received at noon. */
function token(about: Partial<HeldToken> = {}): HeldToken {
  const issuedAt = about.issuedAt ?? NOON;
  return {
    token: `token issued at ${issuedAt}`,
    instanceId: INSTANCE,
    realm: 'self-managed',
    scopes: [],
    issuedAt,
    notBefore: issuedAt - 5,
    expiresAt: issuedAt + 3 * DAY,
    receivedAt: issuedAt,
    ...about,
  };
}

describe('a held token', () => {
  it('is usable until the second before it expires', () => {
    expect(isUsable(token(), at(3 * DAY - 1))).toBe(true);
    expect(isUsable(token(), at(3 * DAY))).toBe(false);
  });

  it('is to be refreshed once it has less than two days left', () => {
    expect(needsRefresh(token(), at(DAY))).toBe(false);
    expect(needsRefresh(token(), at(DAY + 1))).toBe(true);
  });

  it('stays usable on a machine whose clock was ten days ahead all the time', () => {
    const received = token({ receivedAt: NOON + 10 * DAY });
    expect(isUsable(received, at(10 * DAY + 2 * DAY))).toBe(true);
    expect(isUsable(received, at(10 * DAY + 3 * DAY))).toBe(false);
    expect(needsRefresh(received, at(10 * DAY))).toBe(true);
  });

  it('stays usable when the clock is set back, even to before it was issued', () => {
    expect(isUsable(token(), at(-400 * DAY))).toBe(true);
    expect(newestUsable([token()], INSTANCE, at(-400 * DAY))).toEqual(token());
  });

  it('is refreshed by its age where the clock was behind when it came', () => {
    const received = token({ receivedAt: NOON - 300 });
    expect(needsRefresh(received, at(DAY - 300))).toBe(false);
    expect(needsRefresh(received, at(DAY - 299))).toBe(true);
  });

  it('of another instance is never presented', () => {
    expect(newestUsable([token({ instanceId: 'another' })], INSTANCE, at(0))).toBeNull();
  });

  it('is the one that came last: an issuer whose clock was ahead has corrected itself', () => {
    const ahead = token({ issuedAt: NOON + 5 * DAY, receivedAt: NOON - 3600 });
    const held = withToken([ahead], token(), at(0));
    expect(newestUsable(held, INSTANCE, at(0))).toEqual(token());
    expect(held).toContainEqual(ahead);
  });

  it('is refreshed at every check while its issue lies five minutes ahead or more', () => {
    expect(needsRefresh(token(), at(-300))).toBe(false);
    expect(needsRefresh(token(), at(-301))).toBe(true);
  });

  it('is there after every sync, the new one, wherever the clock of this machine is', () => {
    const instants = fc.array(fc.integer({ min: -9 * 365, max: 9 * 365 }), { minLength: 1 });
    fc.assert(
      fc.property(instants, (offsets) => {
        let held: readonly HeldToken[] = [];
        offsets.forEach((days, hour) => {
          const issuedAt = NOON + hour * 3600;
          const here = at(hour * 3600 + days * DAY);
          const added = token({ issuedAt, receivedAt: here.getTime() / 1000 });
          held = withToken(held, added, here);
          expect(newestUsable(held, INSTANCE, here)).toEqual(added);
        });
      }),
    );
  });
});

describe('a new token', () => {
  it('stands beside the older ones that have not expired', () => {
    const older = token({ issuedAt: NOON - 3 * DAY + 1 });
    expect(withToken([older], token(), at(0))).toEqual([token(), older]);
  });

  it('drops one that has expired by the clock of the issuer and by ours', () => {
    const old = token({ issuedAt: NOON - 3 * DAY });
    expect(withToken([old], token(), at(0))).toEqual([token()]);
  });

  it('drops nothing because one clock alone has jumped', () => {
    const old = token({ issuedAt: NOON - DAY });
    const farAhead = token({ issuedAt: NOON + 300 * DAY });
    expect(withToken([old], farAhead, at(0))).toContainEqual(old);
    expect(withToken([old], token(), at(300 * DAY))).toContainEqual(old);
  });

  it('leaves seven others at the most', () => {
    const many = Array.from({ length: 30 }, (_, hour) =>
      token({ issuedAt: NOON - 3600 * (hour + 1) }),
    );
    const kept = withToken(many, token(), at(0));
    expect(kept).toEqual([token(), ...many.slice(0, 7)]);
  });
});

describe('reading a token', () => {
  const claims = { gitlab_realm: 'self-managed', scopes: ['duo_chat'] };
  const compact = (about: object) => new UnsecuredJWT({ ...claims, ...about }).encode();

  const written = (json: string) => `e30.${Buffer.from(json).toString('base64url')}.`;

  it('takes what it says of itself', () => {
    const text = compact({ sub: INSTANCE, iat: NOON, nbf: NOON - 5, exp: NOON + 3 * DAY });
    expect(readToken(text, at(2))).toEqual(
      token({ token: text, receivedAt: NOON + 2, scopes: ['duo_chat'] }),
    );
  });

  it('takes the instant of the issue from the jti, because iat is dated back', () => {
    const milliseconds = (NOON * 1000 + 250).toString(16).padStart(12, '0');
    const jti = `${milliseconds.slice(0, 8)}-${milliseconds.slice(8)}-7000-8000-000000000000`;
    const about = { sub: INSTANCE, iat: NOON - 5, nbf: NOON - 5, exp: NOON + 3 * DAY };
    expect(readToken(compact({ ...about, jti }), at(2))).toMatchObject({ issuedAt: NOON });
    for (const other of ['another form', jti.replace('-7', '-4'), jti.replace(/^./, 'f')]) {
      expect(readToken(compact({ ...about, jti: other }), at(2))?.issuedAt).toBe(NOON - 5);
    }
  });

  it.each([
    ['', 'nothing'],
    ['a.b.c', 'three words'],
    [compact({ iat: 1, exp: 2 }), 'one without sub'],
    [compact({ sub: INSTANCE, iat: 1 }), 'one without exp'],
    [compact({ sub: INSTANCE, exp: 2 }), 'one without iat'],
    [written(`{"sub":"${INSTANCE}","iat":1,"exp":1e999}`), 'an exp that no JSON can keep'],
    [compact({ sub: INSTANCE, iat: 1, exp: 253_402_300_800 }), 'an exp behind the last date'],
    [compact({ sub: INSTANCE, iat: 1, exp: 2.5 }), 'an exp between two seconds'],
    [compact({ sub: INSTANCE, iat: 1, exp: 2, gitlab_realm: 'a\r\nb: c' }), 'two lines of realm'],
    [`${compact({ sub: INSTANCE, iat: 1, exp: 2 })}\r\nb: c`, 'two lines'],
  ])('refuses %#: %s', (text) => {
    expect(readToken(text, at(0))).toBeNull();
  });
});
