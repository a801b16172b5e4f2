import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EphemeralContainer, Pod } from '#api/types.generated.ts';
import { systemMeta, texts } from '../../strategy.testing.ts';
import { setPodDefaults } from './defaults.ts';
import { prepareEphemeralContainersUpdate } from './ephemeral-containers.ts';
import { validateEphemeralContainersUpdate } from './validation.ts';

/** What the API server answers when the containers of a pod that has `before` become `after`. */
function errorsOf(before: EphemeralContainer[], after: EphemeralContainer[], annotations: Record<string, string> = {}): string[] {
  const pod = (ephemeralContainers: EphemeralContainer[]): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...systemMeta('p', 'ns'), resourceVersion: '7', generation: 1, annotations },
    spec: { nodeName: 'n', serviceAccountName: 'default', containers: [{ name: 'c', image: 'x' }], ephemeralContainers },
  });
  const [old, next] = [pod(structuredClone(before)), pod(structuredClone(after))];
  setPodDefaults(old);
  prepareEphemeralContainersUpdate(next, old);
  return texts(validateEphemeralContainersUpdate(next, old));
}

const debug: EphemeralContainer = { name: 'debug', image: 'busybox' };

describe('ephemeral containers', () => {
  it('may be added', () => assert.deepEqual(errorsOf([], [debug]), []));

  it('are checked like any other container', () => {
    assert.deepEqual(errorsOf([], [{ name: 'c' }]), [
      'spec.ephemeralContainers[0].image: Required value',
      'spec.ephemeralContainers[0].name: Duplicate value: "c"',
    ]);
    assert.deepEqual(errorsOf([], [{ ...debug, targetContainerName: 'nobody', livenessProbe: { tcpSocket: { port: 1 } } }]), [
      'spec.ephemeralContainers[0].targetContainerName: Not found: "nobody"',
      'spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container',
    ]);
  });

  it('may not be removed or changed', () => {
    assert.deepEqual(errorsOf([debug], []), [
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n',
    ]);
    const [changed = ''] = errorsOf([debug], [{ ...debug, image: 'busybox:1' }]);
    assert.match(
      changed,
      /^spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be changed\n@@ -1,7 \+1,7 @@\n/,
    );
    assert.match(
      changed,
      /\n- "image": "busybox",\n- "imagePullPolicy": "Always",\n\+ "image": "busybox:1",\n\+ "imagePullPolicy": "IfNotPresent",\n/,
    );
  });

  it('do not exist in static pods', () => {
    assert.deepEqual(errorsOf([], [debug], { 'kubernetes.io/config.mirror': 'x' }), [
      '[]: Forbidden: static pods do not support ephemeral containers',
    ]);
  });
});
