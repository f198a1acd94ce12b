import { Field, ObjectType } from '@nestjs/graphql';
import { GraphQLScalarType } from 'graphql';

/** The catalog is an `EncodedJson`, which `encodeAnswer` copies into the answer. */
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

/** Each field has its own resolver, so that only selected fields are computed. */
@ObjectType('CloudConnectorAccess')
export class CloudConnectorAccess {}
