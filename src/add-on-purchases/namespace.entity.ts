import { Check, Column, Entity, PrimaryColumn, VersionColumn } from 'typeorm';

/** A top-level group of the platform that has purchases of its own. It has the platform's id. */
@Entity('namespaces')
@Check('namespaces_id_check', 'length(id) BETWEEN 1 AND 255')
export class NamespaceEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'namespaces_pkey' })
  id!: string;

  /** One of the catalog's license types. */
  @Column('text')
  plan!: string;

  @VersionColumn()
  version!: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;
}
