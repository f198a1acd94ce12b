import { Field, ObjectType } from '@nestjs/graphql';
import { GraphQLScalarType } from 'graphql';

/** The catalog leaves as an object of this class: the answer's text takes in its JSON as it is. */
export const JsonScalar = new GraphQLScalarType({
  name: 'JSON',
  description: 'Any JSON value',
  serialize: (value) => value,
});

@ObjectType('ServiceToken')
export class ServiceTokenType {
  @Field(() => String, { nullable: true, description: 'A compact JWS' })
  token!: string | null;

  @Field(() => String, { nullable: true, description: 'ISO 8601 in UTC, equal to the `exp`' })
  expiresAt!: string | null;
}

@ObjectType('AvailableService')
export class AvailableServiceType {
  @Field(() => String)
  name!: string;

  @Field(() => String, { nullable: true, description: 'Free before; null or future: free' })
  serviceStartTime!: string | null;

  @Field(() => [String], { nullable: true, description: 'Add-ons that carry it' })
  bundledWith!: readonly string[] | null;
}

/** The fields are resolved one by one, so that one that is not selected is not computed. */
@ObjectType('CloudConnectorAccess')
export class CloudConnectorAccess {}
