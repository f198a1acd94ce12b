import type { RestartedIssuer } from './restarted-issuer.js';

export const LICENSE = {
  plan: 'ultimate',
  kind: 'online_cloud',
  seats: 1,
  starts_on: '2026-01-01',
  expires_on: '2099-01-01',
};

/** Validators get the kept keys, nothing is issued, and the readiness says what to mend. */
export async function expectKeptKeys(issuer: RestartedIssuer, keys: string, obstacle: RegExp) {
  expect(await issuer.keySet()).toEqual({ status: 200, text: keys });
  expect((await fetch(`${issuer.url}/.well-known/openid-configuration`)).status).toBe(200);
  expect((await fetch(`${issuer.url}/-/liveness`)).status).toBe(200);
  expect(await issuer.readiness()).toBe(503);
  expect(await issuer.obstacle()).toMatch(obstacle);
  expect(issuer.logs.join('')).toMatch(obstacle);
  expect((await issuer.admin('GET', 'licenses')).status).toBe(503);
}

/** Without a restart. */
export async function expectRecovery(issuer: RestartedIssuer, keys: string) {
  await issuer.ready();
  expect(await issuer.obstacle()).toBeNull();
  expect(await issuer.keySet()).toEqual({ status: 200, text: keys });
  expect((await issuer.admin('POST', 'licenses', LICENSE)).status).toBe(201);
}
