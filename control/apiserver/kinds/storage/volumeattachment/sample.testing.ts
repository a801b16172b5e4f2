/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const error = { message: 'm', errorCode: 1, time: '2026-01-01T00:00:00Z' };

export const samples = {
  'volumeattachments.storage.k8s.io': {
    spec: {
      attacher: 'd',
      nodeName: 'n',
      source: {
        persistentVolumeName: 'v',
        inlineVolumeSpec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'd', volumeHandle: 'h' } },
      },
    },
    status: { attached: true, attachmentMetadata: { a: 'b' }, attachError: error, detachError: error },
  },
};
