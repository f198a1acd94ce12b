import { Args, Context, Mutation, Resolver } from '@nestjs/graphql';
import { ActivateInstance, type ActivatedLicense } from '../activation/activate-instance.js';
import type { LicenseEntity } from '../licenses/license.entity.js';
import { asIssuerError } from '../http/error-faces.js';
import {
  CloudActivationActivateInput,
  CloudActivationActivatePayload,
  type FutureSubscriptionType,
} from './cloud-activation.js';
import type { SyncContext } from './cloud-connector-access.resolver.js';
import { FailedLookUps } from './failed-look-ups.js';
import { hostNameOf, uuidOf, versionTextOf } from './reported-instance.js';
import { SyncMetrics } from './sync-metrics.js';

/** From here on nobody is told "no" but "try again". */
const TRY_AGAIN = 429;

/** The mutation by which an instance exchanges its activation code for a license. */
@Resolver(() => CloudActivationActivatePayload)
export class CloudActivationResolver {
  constructor(
    private readonly activateInstance: ActivateInstance,
    private readonly failedLookUps: FailedLookUps,
    private readonly metrics: SyncMetrics,
  ) {}

  /** What stands against an activation is told in the payload's `errors`, as instances show it. */
  @Mutation(() => CloudActivationActivatePayload, { nullable: true })
  async cloudActivationActivate(
    @Args('input', { type: () => CloudActivationActivateInput })
    input: CloudActivationActivateInput,
    @Context() context: SyncContext,
  ): Promise<CloudActivationActivatePayload> {
    context.outcome = 'activation';
    try {
      const activated = await this.activateInstance.activate({
        activationCode: input.activationCode,
        instanceId: input.instanceIdentifier,
        automated: input.automated,
        reported: {
          uniqueInstanceId: uuidOf(input.uniqueInstanceId),
          hostName: hostNameOf(input.hostname),
          gitlabVersion: versionTextOf(input.gitlabVersion),
        },
      });
      this.metrics.activations.inc({ outcome: 'activated', code: '' });
      return payloadOf(activated);
    } catch (thrown) {
      const refused = asIssuerError(thrown);
      const error = refused && (this.failedLookUps.limited(refused, context.address) ?? refused);
      this.metrics.activations.inc({ outcome: 'refused', code: error?.code ?? 'INTERNAL' });
      if (error === null) throw thrown;
      if (error.status >= TRY_AGAIN) throw error;
      return { licenseKey: null, ...NOTHING, errors: [error.message] };
    }
  }
}

const NOTHING = { futureSubscriptions: null, newSubscription: null };

function payloadOf(activated: ActivatedLicense): CloudActivationActivatePayload {
  return {
    licenseKey: activated.licenseKey,
    futureSubscriptions: activated.futureLicenses.map(futureSubscriptionOf),
    newSubscription: activated.isFirstOfCustomer,
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
