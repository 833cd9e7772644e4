// The whole way by the AWS SDK for JavaScript, v3: node journey.js CLIENTS IMAGES
// CLIENTS: the folder with node_modules.  IMAGES: a folder with train/ and test/, a folder per label in each.
// Everything else comes from the environment (AWS_ENDPOINT_URL and keys). Prints one JSON object.
"use strict";
const fs = require("fs");
const path = require("path");
const { Readable } = require("stream");
const fromClients = require("module").createRequire(path.join(process.argv[2], "package.json"));
const r = fromClients("@aws-sdk/client-rekognition");
const f = fromClients("@aws-sdk/client-sfn");
const s = fromClients("@aws-sdk/client-s3");

const [BUCKET, PROJECT] = ["js-images", "js-journey"];
const images = process.argv[3];
const s3 = new s.S3Client({ forcePathStyle: true });
const rekognition = new r.RekognitionClient({});
const states = new f.SFNClient({});

async function until(ask, wanted) {
  for (;;) {
    const status = await ask();
    if (status === wanted) return;
    if (status.endsWith("FAILED")) throw new Error(`${status} instead of ${wanted}`);
    await new Promise((later) => setTimeout(later, 100));
  }
}

function line(split, label, file, labels) {
  const metadata = {
    "class-name": label, confidence: 1, type: "groundtruth/image-classification",
    "human-annotated": "yes", "creation-date": "2026-01-01T00:00:00", "job-name": "labeling-job/x",
  };
  const key = `${split}/${label}/${file}`;
  return { "source-ref": `s3://${BUCKET}/${key}`, colour: labels.indexOf(label), "colour-metadata": metadata };
}

async function bring(split) {
  const labels = fs.readdirSync(path.join(images, split)).sort();
  const lines = [];
  for (const label of labels) {
    for (const file of fs.readdirSync(path.join(images, split, label)).sort()) {
      const Body = fs.readFileSync(path.join(images, split, label, file));
      await s3.send(new s.PutObjectCommand({ Bucket: BUCKET, Key: `${split}/${label}/${file}`, Body }));
      lines.push(JSON.stringify(line(split, label, file, labels)));
    }
  }
  // As a stream, which the SDK sends in chunks with a trailing checksum.
  const text = Buffer.from(lines.join("\n"));
  const Body = Readable.from([text.subarray(0, 100), text.subarray(100)]);
  const place = { Bucket: BUCKET, Key: `${split}.manifest` };
  await s3.send(new s.PutObjectCommand({ ...place, Body, ContentLength: text.length }));
  return place;
}

async function dataset(ProjectArn, DatasetType, place) {
  const S3Object = { Bucket: place.Bucket, Name: place.Key };
  const DatasetSource = { GroundTruthManifest: { S3Object } };
  const made = await rekognition.send(new r.CreateDatasetCommand({ ProjectArn, DatasetType, DatasetSource }));
  const described = async () =>
    (await rekognition.send(new r.DescribeDatasetCommand({ DatasetArn: made.DatasetArn }))).DatasetDescription.Status;
  await until(described, "CREATE_COMPLETE");
  return made.DatasetArn;
}

// What the way itself does not need: lists, changes, tags, policies, copies.
async function aside(ProjectArn, ProjectVersionArn, [DatasetArn]) {
  const ask = (command) => rekognition.send(command);
  const projects = await ask(new r.DescribeProjectsCommand({ ProjectNames: [PROJECT] }));
  const entries = await ask(new r.ListDatasetEntriesCommand({ DatasetArn, ContainsLabels: ["red"], MaxResults: 2 }));
  const labels = await ask(new r.ListDatasetLabelsCommand({ DatasetArn }));
  await ask(new r.TagResourceCommand({ ResourceArn: ProjectVersionArn, Tags: { a: "1", b: "2" } }));
  await ask(new r.UntagResourceCommand({ ResourceArn: ProjectVersionArn, TagKeys: ["a"] }));
  const tags = await ask(new r.ListTagsForResourceCommand({ ResourceArn: ProjectVersionArn }));
  const Principal = { AWS: "arn:aws:iam::210987654321:root" };
  const Statement = [{ Effect: "Allow", Principal, Action: "rekognition:CopyProjectVersion", Resource: ProjectVersionArn }];
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  await ask(new r.PutProjectPolicyCommand({ ProjectArn, PolicyName: "copies", PolicyDocument }));
  const policies = await ask(new r.ListProjectPoliciesCommand({ ProjectArn }));
  await ask(new r.DeleteProjectPolicyCommand({ ProjectArn, PolicyName: "copies" }));

  const other = (await ask(new r.CreateProjectCommand({ ProjectName: `${PROJECT}-2` }))).ProjectArn;
  const copied = { ProjectArn: other, DatasetType: "TRAIN", DatasetSource: { DatasetArn } };
  const train = (await ask(new r.CreateDatasetCommand(copied))).DatasetArn;
  const test = (await ask(new r.CreateDatasetCommand({ ProjectArn: other, DatasetType: "TEST" }))).DatasetArn;
  const described = async () => (await ask(new r.DescribeDatasetCommand({ DatasetArn: train }))).DatasetDescription;
  const GroundTruth = Buffer.from(entries.DatasetEntries[0]);
  await ask(new r.UpdateDatasetEntriesCommand({ DatasetArn: train, Changes: { GroundTruth } }));
  await until(async () => (await described()).Status, "UPDATE_COMPLETE");
  await ask(new r.DistributeDatasetEntriesCommand({ Datasets: [{ Arn: train }, { Arn: test }] }));
  await until(async () => (await described()).Status, "UPDATE_COMPLETE");
  const left = (await described()).DatasetStats.TotalEntries;
  const copy = await ask(new r.CopyProjectVersionCommand({
    SourceProjectArn: ProjectArn, SourceProjectVersionArn: ProjectVersionArn, DestinationProjectArn: other,
    VersionName: "copy", OutputConfig: { S3Bucket: BUCKET, S3KeyPrefix: "copied" },
  }));
  const versions = async () => (await ask(
    new r.DescribeProjectVersionsCommand({ ProjectArn: other }))).ProjectVersionDescriptions;
  await until(async () => (await versions())[0].Status, "COPYING_COMPLETED");
  await ask(new r.DeleteProjectVersionCommand(copy));
  for (const each of [train, test]) await ask(new r.DeleteDatasetCommand({ DatasetArn: each }));
  await ask(new r.DeleteProjectCommand({ ProjectArn: other }));
  return {
    datasets: projects.ProjectDescriptions[0].Datasets.length,
    page: [entries.DatasetEntries.length, Boolean(entries.NextToken)],
    labels: labels.DatasetLabelDescriptions.map(({ LabelName }) => LabelName),
    tags: tags.Tags,
    policies: policies.ProjectPolicies.map(({ PolicyName }) => PolicyName),
    left,
  };
}

async function run() {
  await s3.send(new s.CreateBucketCommand({ Bucket: BUCKET }));
  const places = { TRAIN: await bring("train"), TEST: await bring("test") };
  const listed = await s3.send(new s.ListObjectsV2Command({ Bucket: BUCKET, Prefix: "train/", Delimiter: "/" }));

  const { ProjectArn } = await rekognition.send(new r.CreateProjectCommand({ ProjectName: PROJECT }));
  const datasets = [];
  for (const type of ["TRAIN", "TEST"]) datasets.push(await dataset(ProjectArn, type, places[type]));
  const { ProjectVersionArn } = await rekognition.send(new r.CreateProjectVersionCommand({
    ProjectArn, VersionName: "v1", OutputConfig: { S3Bucket: BUCKET, S3KeyPrefix: "results" },
  }));
  const version = async () => (await rekognition.send(
    new r.DescribeProjectVersionsCommand({ ProjectArn, VersionNames: ["v1"] }))).ProjectVersionDescriptions[0];
  await until(async () => (await version()).Status, "TRAINING_COMPLETED");
  const summary = (await version()).EvaluationResult.Summary.S3Object;
  const document = await s3.send(new s.GetObjectCommand({ Bucket: summary.Bucket, Key: summary.Name }));
  const evaluation = JSON.parse(await document.Body.transformToString());

  await rekognition.send(new r.StartProjectVersionCommand({ ProjectVersionArn, MinInferenceUnits: 1 }));
  await until(async () => (await version()).Status, "RUNNING");
  const Bytes = fs.readFileSync(path.join(images, "test", "red", "00.png"));
  const byBytes = await rekognition.send(new r.DetectCustomLabelsCommand({ ProjectVersionArn, Image: { Bytes } }));
  const S3Object = { Bucket: BUCKET, Name: "test/red/00.png" };
  const byPlace = await rekognition.send(
    new r.DetectCustomLabelsCommand({ ProjectVersionArn, Image: { S3Object } }));
  const others = await aside(ProjectArn, ProjectVersionArn, datasets);
  await rekognition.send(new r.StopProjectVersionCommand({ ProjectVersionArn }));
  await until(async () => (await version()).Status, "STOPPED");
  await rekognition.send(new r.DeleteProjectVersionCommand({ ProjectVersionArn }));
  for (const DatasetArn of datasets) await rekognition.send(new r.DeleteDatasetCommand({ DatasetArn }));
  await rekognition.send(new r.DeleteProjectCommand({ ProjectArn }));

  const definition = JSON.stringify({ StartAt: "Done", States: { Done: { Type: "Pass", End: true } } });
  const roleArn = "arn:aws:iam::123456789012:role/any";
  const machine = await states.send(new f.CreateStateMachineCommand({ name: PROJECT, definition, roleArn }));
  const started = await states.send(
    new f.StartExecutionCommand({ stateMachineArn: machine.stateMachineArn, input: '{"a":1}' }));
  const execution = async () =>
    states.send(new f.DescribeExecutionCommand({ executionArn: started.executionArn }));
  await until(async () => (await execution()).status, "SUCCEEDED");

  let refused = "";
  try {
    await s3.send(new s.DeleteBucketCommand({ Bucket: BUCKET }));
  } catch (error) {
    refused = error.name;
  }
  for (;;) {
    const rest = await s3.send(new s.ListObjectsV2Command({ Bucket: BUCKET, MaxKeys: 20 }));
    if (!rest.KeyCount) break;
    const Objects = rest.Contents.map(({ Key }) => ({ Key }));
    await s3.send(new s.DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects } }));
  }
  await s3.send(new s.DeleteBucketCommand({ Bucket: BUCKET }));
  const buckets = (await s3.send(new s.ListBucketsCommand({}))).Buckets.map(({ Name }) => Name);
  return {
    others,
    groups: listed.CommonPrefixes.map(({ Prefix }) => Prefix),
    f1: evaluation.AggregatedEvaluationResults.F1Score,
    labels: [byBytes.CustomLabels[0].Name, byPlace.CustomLabels[0].Name],
    output: (await execution()).output,
    refused,
    kept: buckets.includes(BUCKET),
  };
}

run().then((found) => console.log(JSON.stringify(found)), (error) => {
  console.error(error);
  process.exit(1);
});
