/** For tests of kinds with a pod template: one as a client sends it, and as it is stored. */
export const labels = { app: 'web' };
export const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } };
export const defaultedTemplate = {
  metadata: { labels },
  spec: {
    containers: [
      {
        name: 'c',
        image: 'nginx:1',
        imagePullPolicy: 'IfNotPresent',
        resources: {},
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    schedulerName: 'default-scheduler',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
  },
};
