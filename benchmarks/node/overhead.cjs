// Cost of a call that succeeds through cockatiel and opossum, measured as the Python side does:
// interleaved samples, the minimum over the rounds; the bare call is among the candidates.
//
// usage: node overhead.cjs ROUNDS SAMPLE_MILLISECONDS   (one JSON document on standard output)
'use strict';

const cockatiel = require('cockatiel');
const CircuitBreaker = require('opossum');

const [rounds, sampleMilliseconds] = process.argv.slice(2).map(Number);
const bare = async (x) => x;

const retry = () =>
  cockatiel.retry(cockatiel.handleAll, {
    maxAttempts: 2, // retries after the first attempt: three attempts in all
    backoff: new cockatiel.ExponentialBackoff(),
  });
const breaker = () =>
  cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 5000,
    breaker: new cockatiel.ConsecutiveBreaker(5),
  });
const windowed = () =>
  cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: 5000,
    breaker: new cockatiel.CountBreaker({ threshold: 0.5, size: 100 }),
  });
const bulkhead = () => cockatiel.bulkhead(10);
const timeout = () => cockatiel.timeout(5000, cockatiel.TimeoutStrategy.Cooperative);

const around = (policy) => (x) => policy.execute(() => bare(x));
const opossum = (options) => {
  const circuit = new CircuitBreaker(bare, { errorThresholdPercentage: 50, ...options });
  return (x) => circuit.fire(x);
};

const candidates = {
  bare,
  'cockatiel retry': around(retry()),
  'cockatiel breaker': around(breaker()),
  'cockatiel breaker, window of 100': around(windowed()),
  'cockatiel bulkhead': around(bulkhead()),
  'cockatiel timeout': around(timeout()),
  'opossum breaker': opossum({ timeout: 5000 }),
  'opossum breaker, its timeout off': opossum({ timeout: false }),
  'cockatiel three layers': around(cockatiel.wrap(retry(), breaker(), bulkhead())),
  'cockatiel four layers': around(cockatiel.wrap(retry(), breaker(), bulkhead(), timeout())),
};

async function sample(call, count) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) await call(1);
  return Number(process.hrtime.bigint() - start);
}

// Until the sample takes long enough; on the way the just-in-time compiler warms up.
async function calibrate(call) {
  const target = sampleMilliseconds * 1e6;
  let count = 100;
  for (;;) {
    const spent = await sample(call, count);
    if (spent >= target / 2) return Math.max(10, Math.round((count * target) / spent));
    count = Math.ceil(count * Math.min(10, Math.max(2, target / spent)));
  }
}

async function main() {
  const counts = {};
  const best = {};
  for (const [name, call] of Object.entries(candidates)) {
    if ((await call(7)) !== 7) throw new Error(`${name} does not pass the result through`);
    counts[name] = await calibrate(call);
    best[name] = Infinity;
  }
  for (let round = 0; round < rounds; round++) {
    for (const [name, call] of Object.entries(candidates)) {
      best[name] = Math.min(best[name], (await sample(call, counts[name])) / counts[name]);
    }
  }
  const version = (name) => require(`${name}/package.json`).version;
  const versions = { node: process.version.slice(1) };
  for (const name of ['cockatiel', 'opossum']) versions[name] = version(name);
  console.log(JSON.stringify({ versions, nanoseconds: best }));
  process.exit(0);
}

main();
