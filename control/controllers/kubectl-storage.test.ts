/** What kubectl says of volumes, claims, classes and devices. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kubectlForTests } from './kubectl.testing.ts';

const manifest = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: disk.example.com
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: vol}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce, ReadOnlyMany], storageClassName: fast, hostPath: {path: /data}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: waiting, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: other}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: gpu, namespace: default}
spec: {devices: {requests: [{name: one, exactly: {deviceClassName: gpu.example.com}}]}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: slice}
spec: {driver: gpu.example.com, pool: {name: p, generation: 1, resourceSliceCount: 1}, nodeName: n1}
`;

describe('kubectl', () => {
  const { world, kubectl } = kubectlForTests();

  it('makes, shows and describes them', async () => {
    const made = await kubectl('create --validate=false -f -', manifest);
    assert.equal(made.split('\n').filter((line) => line.endsWith(' created')).length, 6, made);
    await world().rest();
    assert.match(
      await kubectl('get sc'),
      /NAME +PROVISIONER +RECLAIMPOLICY +VOLUMEBINDINGMODE +ALLOWVOLUMEEXPANSION +AGE\nfast \(default\) +disk\.example\.com +Delete +Immediate +true/,
    );
    assert.match(
      await kubectl('get pv'),
      /NAME +CAPACITY +ACCESS MODES +RECLAIM POLICY +STATUS +CLAIM +STORAGECLASS +VOLUMEATTRIBUTESCLASS +REASON +AGE\nvol +1Gi +RWO,ROX +Retain +Bound +default\/data +fast +<unset> /,
    );
    assert.match(
      await kubectl('get pvc -o wide'),
      /NAME +STATUS +VOLUME +CAPACITY +ACCESS MODES +STORAGECLASS +VOLUMEATTRIBUTESCLASS +AGE +VOLUMEMODE\ndata +Bound +vol +1Gi +RWO,ROX +fast +<unset> +\S+ +Filesystem[^]*waiting +Pending +other /,
    );
    assert.match(await kubectl('get resourceclaims,resourceslices'), /gpu +pending[\s\S]*slice +n1 +gpu\.example\.com +p /);
    assert.match(
      await kubectl('describe pvc data'),
      /StorageClass: +fast\nStatus: +Bound\nVolume: +vol\n[\s\S]*Finalizers: +\[kubernetes\.io\/pvc-protection\][\s\S]*Used By: +<none>/,
    );
    assert.match(
      await kubectl('describe pv vol'),
      /Reclaim Policy: +Retain\n[\s\S]*Type: +HostPath \(bare host directory volume\)\n +Path: +\/data/,
    );
    assert.match(
      await kubectl('describe pvc waiting'),
      /Warning +ProvisioningFailed +\S+ .*persistentvolume-controller +storageclass\.storage\.k8s\.io "other" not found/,
    );
    assert.match(await kubectl('describe sc fast'), /IsDefaultClass: +Yes\n[\s\S]*AllowVolumeExpansion: +True/);
  });

  it('is refused a second source, a change and a growth that is not allowed', async () => {
    const patch = '{"spec":{"nfs":{"server":"s","path":"/p"}}}';
    assert.match(await kubectl(`patch pv vol -p ${patch}`), /spec\.nfs: Forbidden: may not specify more than 1 volume type/);
    const grow = '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}';
    assert.match(
      await kubectl(`patch pvc waiting -p ${grow}`),
      /spec is immutable after creation except resources\.requests and volumeAttributesClassName for bound claims/,
    );
  });
});
