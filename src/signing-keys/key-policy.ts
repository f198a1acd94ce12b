import type { KeyPolicy } from '../domain/plan-key-rotation.js';
import type { ServiceConfig } from '../platform/service-config.js';

const SECONDS_PER_DAY = 86_400;

export function keyPolicyOf(
  config: Pick<ServiceConfig, 'signingKeyRotationDays' | 'jwksCacheSeconds'>,
): KeyPolicy {
  return {
    rotationSeconds: config.signingKeyRotationDays * SECONDS_PER_DAY,
    jwksCacheSeconds: config.jwksCacheSeconds,
  };
}
