/** For tests: policies and bindings in few words, put into a real API server. */
import assert from 'node:assert/strict';
import type { TestAnswer, TestServer } from '../../api-server.testing.ts';

const group = '/apis/admissionregistration.k8s.io/v1';

/** A rule for these resources of the core group, unless the name says `apps/deployments`. */
export const ruleFor = (...resources: string[]): object => ({
  operations: ['*'],
  apiGroups: [...new Set(resources.map((name) => (name.startsWith('apps/') ? 'apps' : '')))],
  apiVersions: ['v1'],
  resources: resources.map((name) => name.replace('apps/', '')),
});

/** Creates policies and their bindings, and removes them again. */
export class TestPolicies {
  readonly #server: TestServer;
  constructor(server: TestServer) {
    this.#server = server;
  }

  /** A policy about ConfigMaps with a binding of the same name. @param spec, binding what differs */
  async validating(name: string, spec: object, binding: object = {}): Promise<void> {
    const policy = { matchConstraints: { resourceRules: [ruleFor('configmaps')] }, ...spec };
    await this.#create('validatingadmissionpolicies', name, policy);
    await this.#create('validatingadmissionpolicybindings', name, { policyName: name, validationActions: ['Deny'], ...binding });
  }

  async mutating(name: string, spec: object, binding: object = {}): Promise<void> {
    const rule = { ...ruleFor('configmaps'), operations: ['CREATE', 'UPDATE'] };
    await this.#create('mutatingadmissionpolicies', name, {
      matchConstraints: { resourceRules: [rule] },
      reinvocationPolicy: 'Never',
      ...spec,
    });
    await this.#create('mutatingadmissionpolicybindings', name, { policyName: name, ...binding });
  }

  async #create(plural: string, name: string, spec: object): Promise<void> {
    const answer = await this.#server.request('POST', `${group}/${plural}`, { metadata: { name }, spec });
    assert.equal(answer.status, 201, answer.text);
  }

  async clear(): Promise<void> {
    for (const kind of ['validatingadmissionpolic', 'mutatingadmissionpolic'])
      for (const plural of [`${kind}ybindings`, `${kind}ies`]) await this.#server.request('DELETE', `${group}/${plural}`);
  }
}

/** Creates a ConfigMap in `default`, as a dry run unless told otherwise: nothing stays. */
export const createConfigMap = (
  server: Pick<TestServer, 'request'>,
  data: Record<string, string> = {},
  metadata: object = {},
  query = '?dryRun=All',
): Promise<TestAnswer> =>
  server.request('POST', `/api/v1/namespaces/default/configmaps${query}`, { metadata: { name: 'c', ...metadata }, data });
