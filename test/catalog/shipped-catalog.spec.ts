import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020, type AnySchema } from 'ajv/dist/2020.js';

import { loadCatalog } from '../../src/catalog/load-catalog.js';
import { shippedCatalogDirectory } from '../../src/catalog/shipped-catalog.js';
import { availableServices } from '../../src/domain/available-services.js';
import { describeUnless, missingModule } from '../support/debian.js';
import { readByPython } from './foreign-readers.js';

const CLOSED = [
  'access_artifact_registry',
  'agent_quick_actions',
  'ai_gateway_model_provider_proxy',
  'amazon_q_integration',
  'codebase_search',
  'description_composer',
  'feature_discovery_search',
  'include_agent_platform_standard_context',
  'include_agent_user_environment_context',
  'include_os_information_context',
  'malware_advisories',
  'measure_comment_temperature',
  'package_licenses',
  'update_vulnerability_severity',
];

const { catalog, warnings, digest } = loadCatalog(shippedCatalogDirectory());

describe('the catalog that comes with the project', () => {
  it('is complete and gives no cause for a warning', () => {
    expect(warnings).toEqual([]);
    // Those that are publicly known; an operator's own come on top.
    expect(catalog.unitPrimitives.length).toBeGreaterThanOrEqual(61);
    expect(catalog.addOns).toHaveLength(8);
    expect(catalog.backendServices).toHaveLength(4);
    expect(catalog.licenseTypes).toHaveLength(2);
    expect(catalog.services).toHaveLength(8);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is held to schemas that are JSON Schema themselves', () => {
    const folder = join(shippedCatalogDirectory(), 'schemas');
    const schemas = readdirSync(folder);
    expect(schemas).toHaveLength(5);
    for (const file of schemas) {
      const schema = JSON.parse(readFileSync(join(folder, file), 'utf8')) as AnySchema;
      const ajv = new Ajv2020();
      expect([file, ajv.validateSchema(schema), ajv.errors]).toEqual([file, true, null]);
    }
  });

  it('gives away only what is confirmed to be free', () => {
    const free = catalog.unitPrimitives.filter(({ cutOffDate }) => cutOffDate === null);
    expect(free.map(({ name }) => name)).toEqual([
      'duo_workflow_execute_workflow',
      'observability_all',
      'security_scans',
    ]);
  });

  it('has no cut-off date ahead, so that nothing is free by accident', () => {
    const latest = Math.max(
      ...catalog.unitPrimitives.map(({ cutOffDate }) => cutOffDate?.getTime() ?? 0),
    );
    expect(new Date(latest)).toEqual(new Date('2024-10-17T00:00:00Z'));
  });

  it('closes exactly the rows whose terms are not public, and says why in each', () => {
    const closed = catalog.unitPrimitives
      .filter(({ cutOffDate, addOns }) => cutOffDate !== null && addOns.length === 0)
      .map(({ name }) => name);
    expect(closed).toEqual(CLOSED);
    for (const name of closed) {
      const path = join(shippedCatalogDirectory(), 'unit_primitives', `${name}.yml`);
      expect(readFileSync(path, 'utf8')).toMatch(/^# Closed: /);
    }
  });

  it('names Duo Pro by its name of today, while the old unit primitive keeps its own', () => {
    expect(catalog.addOns.map(({ name }) => name)).not.toContain('code_suggestions');
    const old = catalog.unitPrimitives.find(({ name }) => name === 'code_suggestions');
    expect(old?.addOns).toEqual(['duo_enterprise', 'duo_pro']);
    expect(old?.deprecationMessage).toContain('complete_code');
  });

  it('gives every unit primitive that anyone may have an audience', () => {
    const unreachable = catalog.unitPrimitives.filter(({ audiences }) => audiences.length === 0);
    expect(unreachable.map(({ name }) => name)).toEqual([
      'access_artifact_registry',
      'malware_advisories',
      'package_licenses',
    ]);
    const both = catalog.unitPrimitives.find(({ name }) => name === 'duo_chat');
    expect(both?.audiences).toEqual(['gitlab-ai-gateway', 'gitlab-duo-workflow-service']);
  });

  it('offers chat to self-managed instances from its cut-off on, and SAST to GitLab.com only', () => {
    const offered = availableServices(catalog, 'self-managed');
    expect(offered.find(({ name }) => name === 'duo_chat')).toEqual({
      name: 'duo_chat',
      serviceStartTime: new Date('2024-10-17T00:00:00Z'),
      bundledWith: ['duo_core', 'duo_enterprise', 'duo_pro'],
    });
    expect(offered.map(({ name }) => name)).not.toContain('sast');
    expect(availableServices(catalog, 'gitlab-com').map(({ name }) => name)).toContain('sast');
  });
});

describeUnless(missingModule('yaml', 'python3-yaml'))('the shipped catalog, read by PyYAML', () => {
  it('has a date in UTC wherever we read one, for the real gem calls the methods of dates', () => {
    const folder = join(shippedCatalogDirectory(), 'unit_primitives');
    const texts = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
    const theirs = readByPython(texts, 'SafeLoader').map((read) => [
      read?.['name'],
      read?.['cut_off_date'],
    ]);
    const ours = catalog.unitPrimitives.map(({ name, cutOffDate }) => [name, cutOffDate]);
    expect(Object.fromEntries(theirs)).toEqual(Object.fromEntries(ours));
  });
});
