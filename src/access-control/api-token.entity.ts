import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';

@Entity('api_tokens')
@Unique('api_tokens_name_key', ['name'])
@Unique('api_tokens_digest_key', ['digest'])
@Check('api_tokens_digest_check', 'octet_length(digest) = 32')
@Check('api_tokens_role_check', `role IN ('owner')`)
export class ApiTokenEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'api_tokens_pkey' })
  id!: string;

  @Column('text')
  name!: string;

  @Column('text')
  role!: 'owner';

  /** SHA-256 of the token: it has at least 256 random bits, so nothing slower is needed. */
  @Column('bytea')
  digest!: Buffer;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;
}
