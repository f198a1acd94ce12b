import { Injectable } from '@nestjs/common';
import { availableServices, type AvailableService } from '../domain/available-services.js';
import { catalogDocument, type CatalogDocument } from '../domain/catalog-document.js';
import type { GitlabRealm } from '../domain/catalog.js';
import type { LoadedCatalog } from './load-catalog.js';

/**
 * The catalog in force, and the form in which instances get it. That form is the same for every instance,
 * so it is made once, at the start.
 */
@Injectable()
export class CatalogStore {
  private readonly rendered: CatalogDocument;
  private readonly renderedJson: string;
  private readonly services: Readonly<Record<GitlabRealm, readonly AvailableService[]>>;

  constructor(private readonly loaded: LoadedCatalog) {
    this.rendered = catalogDocument(loaded.catalog);
    this.renderedJson = JSON.stringify(this.rendered);
    this.services = {
      'gitlab-com': availableServices(loaded.catalog, 'gitlab-com'),
      'self-managed': availableServices(loaded.catalog, 'self-managed'),
    };
  }

  current(): LoadedCatalog {
    return this.loaded;
  }

  /** The `catalog` answer of a sync. */
  document(): CatalogDocument {
    return this.rendered;
  }

  /** The same as JSON text. */
  documentJson(): string {
    return this.renderedJson;
  }

  availableServices(realm: GitlabRealm): readonly AvailableService[] {
    return this.services[realm];
  }
}
