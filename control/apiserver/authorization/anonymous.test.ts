/** What anonymous requests may do, by `--authorization-mode`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '#client/clock.ts';
import { startTestServer } from '../api-server.testing.ts';
import { headerValues } from '../authentication/header-values.ts';
import { silentLog } from '../serving/server-log.ts';
import type { AuthorizationMode } from './mode-names.ts';
import { bootstrapRoles } from './rbac/bootstrap-roles.ts';
import { defaultPolicy } from './rbac/policy/default-policy.ts';

const unknown = 'forbidden: User "system:anonymous" cannot get path';
const cases: [modes: AuthorizationMode[], path: string, status: number, message?: string][] = [
  [['Node', 'RBAC'], '/version', 200],
  [['Node', 'RBAC'], '/readyz', 200],
  [['Node', 'RBAC'], '/apis', 403, `${unknown} "/apis"`],
  [['Node', 'RBAC'], '/metrics', 403, `${unknown} "/metrics"`],
  [
    ['Node', 'RBAC'],
    '/api/v1/namespaces/default/secrets',
    403,
    'secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" in the namespace "default"',
  ],
  [['AlwaysAllow'], '/version', 200],
  [['AlwaysAllow'], '/apis', 401, 'Unauthorized'],
  [['RBAC', 'AlwaysAllow'], '/api/v1/nodes', 401, 'Unauthorized'],
  [['AlwaysDeny'], '/version', 403, `${unknown} "/version": Everything is forbidden.`],
];

describe('anonymous requests', () => {
  for (const [modes, path, status, message] of cases)
    it(`of ${path} with ${modes.join()} get ${status}`, async () => {
      const api = await startTestServer({ modes, namespaces: ['default', 'kube-system', 'kube-public'] });
      try {
        await bootstrapRoles(api.client, defaultPolicy(), systemClock, silentLog, new AbortController().signal);
        const nobody = { sender: { credentials: { certificate: undefined, headers: headerValues([]) } } };
        const request = { method: 'GET', path, headers: {}, body: undefined };
        const response = await api.server.handle(request, nobody);
        assert.equal(response.status, status);
        if (message === undefined) return;
        const chunks: Uint8Array[] = [];
        for await (const chunk of response.body) chunks.push(chunk);
        assert.equal(JSON.parse(Buffer.concat(chunks).toString('utf8')).message, message);
        const wrong = {
          sender: { credentials: { certificate: undefined, headers: headerValues(['Authorization', 'Bearer x.y.z']) } },
        };
        assert.equal((await api.server.handle(request, wrong)).status, 401);
      } finally {
        await api.stop();
      }
    });
});
