require 'rails/all'
module Portal
  class Application < Rails::Application
