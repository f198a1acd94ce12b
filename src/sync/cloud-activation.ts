import { Field, InputType, Int, ObjectType } from '@nestjs/graphql';

@InputType()
export class CloudActivationActivateInput {
  @Field(() => String)
  activationCode!: string;

  @Field(() => String, { description: 'The instance UUID' })
  instanceIdentifier!: string;

  @Field(() => String, { nullable: true, description: 'From GitLab 18.1 on' })
  uniqueInstanceId?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Missing from the first GitLab versions' })
  automated?: boolean | null;

  @Field(() => String, { nullable: true, description: 'Missing from older GitLab versions' })
  gitlabVersion?: string | null;

  @Field(() => String, { nullable: true, description: 'Missing from older GitLab versions' })
  hostname?: string | null;
}

@ObjectType('FutureSubscription')
export class FutureSubscriptionType {
  @Field(() => Boolean, { nullable: true })
  cloudLicenseEnabled!: boolean | null;

  @Field(() => Boolean, { nullable: true })
  offlineCloudLicenseEnabled!: boolean | null;

  @Field(() => String, { nullable: true })
  plan!: string | null;

  @Field(() => String, { nullable: true })
  company!: string | null;

  @Field(() => String, { nullable: true })
  email!: string | null;

  @Field(() => String, { nullable: true })
  name!: string | null;

  @Field(() => String, { nullable: true, description: 'A day as YYYY-MM-DD' })
  startsAt!: string | null;

  @Field(() => String, { nullable: true, description: 'A day as YYYY-MM-DD' })
  expiresAt!: string | null;

  @Field(() => Int, { nullable: true })
  usersInLicenseCount!: number | null;
}

@ObjectType('CloudActivationActivatePayload')
export class CloudActivationActivatePayload {
  @Field(() => String, { nullable: true })
  licenseKey!: string | null;

  @Field(() => [FutureSubscriptionType], { nullable: true })
  futureSubscriptions!: readonly FutureSubscriptionType[] | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether the customer had none before' })
  newSubscription!: boolean | null;

  @Field(() => [String], { nullable: true })
  errors!: readonly string[];
}
