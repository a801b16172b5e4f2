/** The lab's default StorageClass: claims get a folder of the node on which their first pod runs. */
import type { New } from '#api/meta.ts';
import { isAlreadyExists } from '#api/status.ts';
import { localPathProvisioner } from '#api/storage/local-path.ts';
import type { StorageClass } from '#api/types.generated.ts';
import type { Lab } from './config.ts';
import { adminClient } from './control-plane.ts';

const localPathClass: New<StorageClass> = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local-path', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: localPathProvisioner,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
};

/** Creates the class unless one of this name exists. @throws ApiError */
export async function makeStorageClass(lab: Lab): Promise<void> {
  const { client, close } = adminClient(lab);
  try {
    await client.resource('storageclasses.storage.k8s.io').create(localPathClass);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  } finally {
    close();
  }
}
