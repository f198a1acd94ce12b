import { BOOLEAN, optional, type Rules, TEXT } from './check-input.js';
import { InstanceClientError } from './errors.js';
import type { Clean } from './foreign-text.js';
import { asObject, asObjects, asText, asTexts, type JsonObject } from './json.js';
import { normalisedKey, type Settings } from './options.js';
import { pastedText } from './pasted-text.js';
import type { Answer } from './post-json.js';
import { firstError } from './sync-answer.js';

export interface ActivationInput {
  /** The code of the instance's admin. It is secret until it is used up. */
  readonly activationCode: string;
  /** True when a program activates, not a person. False by default. */
  readonly automated?: boolean;
}

export interface Activation {
  /** It is in the store too. */
  readonly licenseKey: string;
  /** Licenses of the same customer that start later, as the issuer sends them. */
  readonly futureSubscriptions: readonly JsonObject[];
  readonly newSubscription: unknown;
}

export const ACTIVATION_RULES: Rules<ActivationInput> = {
  activationCode: TEXT,
  automated: optional(BOOLEAN),
};

/** Variables are declared one by one and the literal is built in the query: its type has any name. */
export function activationRequest(settings: Settings, input: ActivationInput): object {
  const types = {
    activationCode: 'String!',
    instanceIdentifier: 'String!',
    ...(settings.uniqueInstanceId === null ? {} : { uniqueInstanceId: 'String' }),
    automated: 'Boolean!',
    gitlabVersion: 'String!',
    hostname: 'String!',
  };
  const declared = Object.entries(types).map(([name, type]) => `$${name}: ${type}`);
  const members = Object.keys(types).map((name) => `${name}: $${name}`);
  return {
    query: `mutation(${declared.join(', ')}) {
  cloudActivationActivate(input: { ${members.join(', ')} }) {
    licenseKey
    futureSubscriptions {
      cloudLicenseEnabled offlineCloudLicenseEnabled plan company email name startsAt expiresAt
      usersInLicenseCount
    }
    newSubscription
    errors
  }
}`,
    variables: {
      activationCode: pastedText(input.activationCode),
      instanceIdentifier: settings.instanceId,
      ...(settings.uniqueInstanceId === null
        ? {}
        : { uniqueInstanceId: settings.uniqueInstanceId }),
      automated: input.automated ?? false,
      gitlabVersion: settings.gitlabVersion,
      hostname: settings.hostname,
    },
  };
}

/** @throws {InstanceClientError} ACTIVATION_REFUSED, ANSWER_UNUSABLE */
export function readActivation({ json, status }: Answer, clean: Clean): Activation {
  const body = asObject(json);
  const payload = asObject(asObject(body?.['data'])?.['cloudActivationActivate']);
  const refusals = asTexts(payload?.['errors']).map(clean);
  if (refusals.length > 0) throw refused(refusals);
  if (asObjects(body?.['errors']).length > 0) throw refused([clean(firstError(body, '').message)]);
  const licenseKey = normalisedKey(asText(payload?.['licenseKey']) ?? '');
  if (licenseKey === '') {
    const what = `the answer to the activation has no license key (status ${status})`;
    throw new InstanceClientError('ANSWER_UNUSABLE', what);
  }
  return {
    licenseKey,
    futureSubscriptions: asObjects(payload?.['futureSubscriptions']),
    newSubscription: payload?.['newSubscription'] ?? null,
  };
}

function refused(details: readonly string[]): InstanceClientError {
  const message = `the issuer refused the activation: ${details.join(' ')}`;
  return new InstanceClientError('ACTIVATION_REFUSED', message, details);
}
