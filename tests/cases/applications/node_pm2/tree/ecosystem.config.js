module.exports = {
  apps: [{
    name: "seats",
    script: "app.js",
    env: {
      PORT: 3100,
      DB_HOST: "10.1.2.3:3307",
      DB_NAME: "seats",
      DB_USER: "seats_u",
      DB_PASS: "never-Shown-5a1"
    }
  }]
};
