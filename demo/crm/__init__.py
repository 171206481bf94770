"""The enterprise's CRM: contacts and accounts of the shop's persons, behind Salesforce's REST query interface."""
