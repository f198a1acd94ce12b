import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Resolver } from '@nestjs/graphql';
import { ActivateInstance } from '../activation/activate-instance.js';
import type { HandedOutLicense } from '../activation/hand-out-license.js';
import type { LicenseEntity } from '../licenses/license.entity.js';
import { Clock } from '../platform/clock.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { asIssuerError } from '../http/error-faces.js';
import { FailedLookUps } from '../http/failed-look-ups.js';
import {
  CloudActivationActivateInput,
  CloudActivationActivatePayload,
  type FutureSubscriptionType,
} from './cloud-activation.js';
import type { SyncContext } from './cloud-connector-access.resolver.js';
import { hostNameOf, uuidOf, versionTextOf } from './reported-instance.js';
import { SyncMetrics } from './sync-metrics.js';

/** From this status on the answer means "try again", not "no". */
const TRY_AGAIN = 429;

/** The mutation by which an instance exchanges its activation code for a license. */
@Resolver(() => CloudActivationActivatePayload)
export class CloudActivationResolver {
  constructor(
    private readonly activateInstance: ActivateInstance,
    private readonly failedLookUps: FailedLookUps,
    private readonly metrics: SyncMetrics,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** A refusal goes into the payload's `errors`, because instances show those. */
  @Mutation(() => CloudActivationActivatePayload, { nullable: true })
  async cloudActivationActivate(
    @Args('input', { type: () => CloudActivationActivateInput })
    input: CloudActivationActivateInput,
    @Context() context: SyncContext,
  ): Promise<CloudActivationActivatePayload> {
    context.outcome = 'activation';
    const instanceId = uuidOf(input.instanceIdentifier);
    if (instanceId !== null) context.subject.instanceUuid = instanceId;
    try {
      const license = await this.activateInstance.activate({
        activationCode: input.activationCode,
        instanceId: input.instanceIdentifier,
        // The first versions had no other way than by hand.
        automated: input.automated ?? false,
        reported: {
          uniqueInstanceId: uuidOf(input.uniqueInstanceId),
          hostName: hostNameOf(input.hostname),
          gitlabVersion: versionTextOf(input.gitlabVersion),
        },
        at: this.clock.now(),
      });
      context.subject.licenseId = license.licenseId;
      this.logger.info({ licenseId: license.licenseId }, 'an instance was activated');
      this.metrics.activations.inc({ outcome: 'activated', code: '' });
      return payloadOf(license);
    } catch (thrown) {
      const refused = asIssuerError(thrown);
      const error = refused && (this.failedLookUps.limited(refused, context.address) ?? refused);
      this.metrics.activations.inc({ outcome: 'refused', code: error?.code ?? 'INTERNAL' });
      if (error === null) throw thrown;
      if (error.status >= TRY_AGAIN) throw error;
      context.refusedWith = error.code;
      if (error.licenseId !== undefined) context.subject.licenseId = error.licenseId;
      return { licenseKey: null, ...NOTHING, errors: [error.message] };
    }
  }
}

const NOTHING = { futureSubscriptions: null, newSubscription: null };

function payloadOf(license: HandedOutLicense): CloudActivationActivatePayload {
  return {
    licenseKey: license.licenseKey,
    futureSubscriptions: license.futureLicenses.map(futureSubscriptionOf),
    newSubscription: license.isFirstOfCustomer,
    errors: [],
  };
}

function futureSubscriptionOf(license: LicenseEntity): FutureSubscriptionType {
  return {
    cloudLicenseEnabled: license.kind !== 'legacy',
    offlineCloudLicenseEnabled: license.kind === 'offline_cloud',
    plan: license.plan,
    company: license.licenseeCompany,
    email: license.licenseeEmail,
    name: license.licenseeName,
    startsAt: license.startsOn,
    expiresAt: license.expiresOn,
    usersInLicenseCount: license.seats,
  };
}
