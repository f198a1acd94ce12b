/** The five folders of a catalog; the names are those of the `gitlab-cloud-connector` repository. */
export const CATALOG_KINDS = [
  'unit_primitives',
  'backend_services',
  'add_ons',
  'license_types',
  'services',
] as const;

export type CatalogKind = (typeof CATALOG_KINDS)[number];

type Text = string | null;
type Names = readonly string[] | null;

export interface UnitPrimitiveDocument {
  readonly name: string;
  readonly description: string;
  readonly group?: Text;
  readonly feature_category?: Text;
  readonly documentation_url?: Text;
  readonly milestone?: Text;
  readonly introduced_by_url?: Text;
  readonly unit_primitive_issue_url?: Text;
  readonly deprecated_by_url?: Text;
  readonly deprecation_message?: Text;
  /** A day or an instant in one of the forms of YAML; in UTC when it names no zone. */
  readonly cut_off_date?: Date | Text;
  readonly min_gitlab_version?: Text;
  readonly min_gitlab_version_for_free_access?: Text;
  readonly license_types?: Names;
  readonly backend_services?: Names;
  readonly add_ons?: Names;
  readonly alias_names?: Names;
}

export interface BackendServiceDocument {
  readonly name: string;
  readonly description?: Text;
  readonly group?: Text;
  readonly jwt_aud: string;
  readonly project_url?: Text;
}

/** An add-on or a license type. */
export interface NamedDocument {
  readonly name: string;
  readonly description?: Text;
}

export interface ServiceDocument {
  readonly name: string;
  readonly description?: Text;
  readonly basic_unit_primitive?: Text;
  readonly gitlab_realm?: readonly ('gitlab-com' | 'self-managed')[] | null;
  readonly unit_primitives: readonly string[];
}

/** One file of a catalog, in the shape that its JSON Schema asks for. */
export interface CatalogItem<Document> {
  /** The path of the file, for messages about faults. */
  readonly file: string;
  readonly document: Document;
}

export interface CatalogItems {
  readonly unit_primitives: readonly CatalogItem<UnitPrimitiveDocument>[];
  readonly backend_services: readonly CatalogItem<BackendServiceDocument>[];
  readonly add_ons: readonly CatalogItem<NamedDocument>[];
  readonly license_types: readonly CatalogItem<NamedDocument>[];
  readonly services: readonly CatalogItem<ServiceDocument>[];
}

/** A fault in one field of one file. */
export interface CatalogFault {
  readonly file: string;
  readonly field: string;
  readonly reason: string;
}
